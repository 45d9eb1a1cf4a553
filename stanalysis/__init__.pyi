from . import fields as fields
from . import files as files
from . import findings as findings
from . import readers as readers
from . import stats as stats
from . import synthetic as synthetic
from .analysis.analyze import analyze as analyze
from .errors import BadInput as BadInput
from .fields.lattice import QUEEN as QUEEN
from .fields.lattice import ROOK as ROOK
from .fields.lattice import Lattice as Lattice
from .fields.receptive_field import receptive_fields as receptive_fields
from .fields.synapse_graph import SynapseGraph as SynapseGraph
from .files.analysis import read_analysis as read_analysis
from .files.checkpoint import read_checkpoint as read_checkpoint
from .files.run import open_run as open_run
from .readers.arrays import from_arrays as from_arrays
from .readers.choosing import read_foreign as read_foreign
from .readers.conversion import convert as convert
from .stats.engine.field_statistics import field_statistics as field_statistics
from .stats.engine.null_test import NullTest as NullTest
from .stats.engine.validity import doubts as doubts
from .stats.replicates.comparison import compare as compare
from .stats.spatial.autocorrelation import morans_i as morans_i
from .stats.spatial.clustering import join_counts as join_counts

__version__: str
