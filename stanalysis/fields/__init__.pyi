from .lattice import QUEEN as QUEEN
from .lattice import ROOK as ROOK
from .lattice import Lattice as Lattice
from .lattice import neighbour_share as neighbour_share
from .receptive_field import fields_of_synapses as fields_of_synapses
from .receptive_field import receptive_fields as receptive_fields
from .synapse_graph import SynapseGraph as SynapseGraph
from .synapse_graph import graph_of as graph_of
