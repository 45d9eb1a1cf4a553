from .fields import noise_fields as noise_fields
from .fields import planted_fields as planted_fields
from .fields import planted_segregation as planted_segregation
from .fields import planted_sweeps as planted_sweeps
from .network import small_network as small_network
from .rewiring import rewiring_process as rewiring_process
from .rewiring import true_survival as true_survival
