"""priorshift: does teaching a language model to act change what it expects?"""

import warnings

# Plain progress bars are meant: they stay readable in executed notebooks, and the warning names this machine's folders.
warnings.filterwarnings("ignore", message="IProgress not found")

__version__ = "0.2.0"
