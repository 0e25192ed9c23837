"""Errors that say something about the machine, not about the student: one table, with where each entry is written down.

A notebook was written for another computer: another Python, other versions of the libraries, Colab or Kaggle, a window
to draw in, a network. What fails for that alone is never the student's mistake. An entry names the exceptions, what
their messages contain, and what is lacking, for which there is advice in `feedback/messages/checks.toml`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from grader.model import Lack


class Entry(NamedTuple):
    """One kind of error: exceptions and messages by expressions, what is lacking, and who says so."""

    lacks: Lack
    exceptions: str
    said: str
    source: str


def _names(text: str) -> str:
    """Write one expression for any of the words of a text."""
    return "(?:" + "|".join(text.split()) + ")"


_REMOVED_KEYWORDS = _names(
    "normed use_line_collection axisbg axis_bgcolor papertype frameon withdash hold projection grid_b clear_temp "
    "error_bad_lines warn_bad_lines squeeze mangle_dupe_cols date_parser keep_date_col infer_datetime_format "
    "line_terminator delim_whitespace method pad level factor shade shade_lowest size normalize n_iter"
)
_LIBRARY_CALLS = _names(
    r"(?:Axes|Axes3D|Figure|FigureBase|Polygon|Rectangle|Line2D|FigureCanvas\w+|DataFrame|Series|NDFrame|\w*Groupby|"
    r"AbstractMovieWriter|\w*Writer|\w*Regress\w*|\w*Locator)\.\w+ "
    "hist gca stem grid savefig read_csv read_table to_csv fillna groupby sum mean pivot drop set_axis to_datetime "
    r"kdeplot distplot catplot lmplot pairplot jointplot regplot violinplot boxplot LinearRegression\.__init__ "
    r"SGDRegressor\.__init__ axes subplot annotate print_png"
)
_SEABORN = _names(
    "scatterplot lineplot barplot boxplot countplot catplot jointplot pairplot regplot lmplot violinplot stripplot "
    "swarmplot pointplot heatmap kdeplot histplot distplot relplot displot"
)
_PANDAS = _names("pivot drop set_axis sort_values reset_index fillna interpolate dropna to_csv replace concat rename")

TABLE = (
    Entry(
        "package",
        r"ModuleNotFoundError|ImportError|PackageNotFoundError",
        r"",
        "docs.python.org, exceptions: a module that is not installed, or has no such name in this version",
    ),
    Entry("package", r"UsageError", r"magic function", "IPython: a magic that an extension would bring"),
    Entry("input", r"StdinNotImplementedError", r"", "ipykernel: nobody is there to answer"),
    Entry("input", r"EOFError", r"EOF when reading a line", "docs.python.org, input()"),
    Entry(
        "network",
        r"gaierror|URLError|HTTPError|ConnectionError|ConnectTimeout|NewConnectionError|MaxRetryError|SSLError|ProxyError",
        r"",
        "the jail has no network",
    ),
    Entry("place", r"PermissionError", r"", "the jail: only the home folder and /tmp can be written"),
    Entry("place", r"OSError", r"Read-only file system|Errno 30\b|non-existent directory", "the jail, and pandas"),
    Entry(
        "program",
        r"FileNotFoundError",
        r"No such file or directory: '"
        + _names(
            "ffmpeg convert magick dot latex pdflatex git wget curl nvidia-smi unzip pandoc gcc make node java pip"
        )
        + "'$",
        "subprocess: a program that is not installed",
    ),
    Entry("program", r"CalledProcessError|ExecutableNotFound", r"", "a program that is missing or may do less here"),
    Entry(
        "program", r"RuntimeError", r"MovieWriter|could not be found|Failed to process string with tex", "matplotlib"
    ),
    Entry("file", r"FileNotFoundError", r"", "a data file that was not handed in"),
    Entry("window", r"TclError", r"", "tkinter: no display"),
    Entry(
        "window",
        r"AttributeError",
        r"has no attribute '(?:window|full_screen_toggle|set_window_title|frame|mpl_connect|startfile|windll|WinDLL)'",
        "matplotlib: the window of an interactive backend; os.startfile and ctypes.windll of Windows",
    ),
    Entry("window", r"NameError", r"name 'WindowsError'", "docs.python.org: Windows only"),
    Entry("setting", r"Error", r"unsupported locale setting", "docs.python.org, locale.Error"),
    Entry("setting", r"KeyError", r"uid not found|name not found", "docs.python.org, pwd: the jail has no such user"),
    Entry("setting", r"OSError", r"Errno (?:6|25)\b|Inappropriate ioctl|No such device", "os.getlogin: no terminal"),
    Entry("setting", r"ZoneInfoNotFoundError|UnknownTimeZoneError", r"", "docs.python.org, zoneinfo"),
    Entry("resources", r"RuntimeError", r"can't start new thread", "the jail's number of processes"),
    Entry(
        "resources",
        r"OSError|BlockingIOError|BrokenProcessPool",
        r"Errno (?:11|24|28|38|95)\b|Operation not supported|temporarily unavailable|out of pty devices|No space left"
        r"|process pool",
        "the jail's limits",
    ),
    Entry(
        "one-element",
        r"TypeError|ValueError",
        r"only 0-dimensional arrays can be converted|setting an array element with a sequence\.$",
        "NumPy 2.4 release notes: arrays of one element are no longer converted to numbers",
    ),
    Entry(
        "removed",
        r"AttributeError",
        r"module 'numpy' has no attribute '"
        + _names(
            "product cumproduct sometrue alltrue asscalar row_stack trapz in1d mat rank msort fv pv pmt npv irr nper "
            "ipmt ppmt mirr typeDict loads unicode long Tester distutils chararray round_ warnings oldnumeric"
        )
        + "'",
        "NumPy release notes 1.18 to 2.4, expired deprecations",
    ),
    Entry(
        "removed",
        r"AttributeError",
        r"deprecated alias|was removed (?:in|from)|has been removed|in the NumPy 2",
        "NumPy 1.24 and 2.0",
    ),
    Entry(
        "removed",
        r"AttributeError",
        r"'numpy\.ndarray' object has no attribute '(?:tostring|itemset|ptp|newbyteorder)'",
        "NumPy 2.0 and 2.3",
    ),
    Entry("removed", r"ValueError", r"inhomogeneous shape", "NumPy 1.24: lists of unequal lengths make no array"),
    Entry(
        "removed",
        r"AttributeError",
        r"module 'matplotlib[\w.]*' has no attribute '"
        + _names("get_cmap register_cmap hold ishold plotfile spectral cbook finance mlab docstring warn_deprecated")
        + r"'|'Axes\w*' object has no attribute '"
        + _names(
            "hold set_axis_bgcolor get_axis_bgcolor set_color_cycle w_xaxis w_yaxis w_zaxis dist mouse_init get_images"
        )
        + r"'|object has no attribute '(?:tostring_rgb|set_axis_bgcolor|get_cmap)'",
        "Matplotlib API changes 2.0 to 3.11",
    ),
    Entry("removed", r"OSError", r"is not a valid package style", "Matplotlib 3.8: the seaborn styles have new names"),
    Entry(
        "removed",
        r"ValueError",
        r"Unknown projection|keyword grid_b is not recognized|Invalid frequency|Colormap .* not",
        "Matplotlib 3.7, pandas 3.0",
    ),
    Entry(
        "removed",
        r"TypeError|AttributeError",
        _LIBRARY_CALLS + r"\(\) got an unexpected keyword argument '" + _REMOVED_KEYWORDS + "'",
        "Matplotlib, pandas, seaborn and scikit-learn release notes: keywords that were dropped",
    ),
    Entry(
        "removed",
        r"TypeError|AttributeError",
        r"^(?:FigureBase\.gca|gca|AbstractMovieWriter\.__init__)\(\) got an unexpected",
        "Matplotlib 3.7",
    ),
    Entry("removed", r"TypeError", r"annotate\(\) missing 1 required positional argument: 'text'", "Matplotlib 3.3"),
    Entry(
        "removed",
        r"TypeError",
        r"(?:"
        + _SEABORN
        + r"|(?:DataFrame|Series|NDFrame)\."
        + _PANDAS
        + r")\(\) takes (?:from \d+ to )?\d+ positional",
        "seaborn 0.12, pandas 2.0: arguments by keyword only",
    ),
    Entry(
        "removed",
        r"AttributeError",
        r"'(?:DataFrame|Series|Index|DatetimeIndex)' object has no attribute '"
        + _names(
            "append ix as_matrix iteritems get_value set_value lookup mad tshift get_dtype_counts sort order "
            "select applymap is_copy swapaxes weekofyear week is_monotonic to_native_types asobject ftypes blocks"
        )
        + r"'|module 'pandas' has no attribute '"
        + _names(
            "Panel rolling_mean rolling_std np datetime value_counts TimeGrouper scatter_matrix Int64Index "
            "Float64Index ewma match groupby tslib compat"
        )
        + r"'|type object 'DataFrame' has no attribute '(?:from_csv|from_items)'",
        "pandas release notes 0.25 to 3.0",
    ),
    Entry(
        "removed",
        r"AttributeError",
        r"module 'seaborn' has no attribute '(?:factorplot|tsplot|distplot|violin|interactplot|"
        r"lvplot|puppyplot|coefplot|corrplot)'",
        "seaborn 0.9 to 0.14",
    ),
    Entry(
        "removed",
        r"AttributeError",
        r"module '(?:scipy|scipy\.\w+)' has no attribute '"
        + _names(
            "misc array linspace arange zeros ones dot exp log sqrt sin cos pi mean std sum rand randn polyfit poly1d "
            "eye interp simps trapz cumtrapz quadrature romberg derivative comb factorial imread imresize face ascent "
            "electrocardiogram hanning hamming gaussian cspline1d bspline logsumexp binom_test asarray rec"
        )
        + "'",
        "SciPy release notes 1.0 to 1.14",
    ),
    Entry("removed", r"NotImplementedError", r"has been removed|was removed", "SciPy 1.14, interp2d"),
    Entry("removed", r"InvalidParameterError", r"squared_loss|'auto'|'mse'|'mae'", "scikit-learn 1.2"),
    Entry(
        "removed", r"AttributeError", r"'ZMQInteractiveShell' object has no attribute '(?:magic|write)'", "IPython 9"
    ),
    Entry(
        "removed",
        r"AttributeError",
        r"module 'time' has no attribute 'clock'|module 'collections' has no attribute '[A-Z]\w+'|"
        r"module 'inspect' has no attribute 'getargspec'|module 'fractions' has no attribute 'gcd'|"
        r"module 'asyncio' has no attribute '(?:coroutine|async)'|module 'base64' has no attribute '\w+string'|"
        r"module 'platform' has no attribute '(?:linux_distribution|dist)'|"
        r"module '(?:gettext|locale)' has no attribute '\w+'|'Thread' object has no attribute 'isAlive'",
        "docs.python.org, what's new in Python 3.3 to 3.13",
    ),
    Entry("removed", r"TypeError", r"Population must be a sequence", "Python 3.11: random.sample of a set"),
)


def lacking(exception: str, said: str) -> Lack | None:
    """Say what the machine lacks where an error is not the student's, None where it is."""
    return next(
        (each.lacks for each in TABLE if re.fullmatch(each.exceptions, exception) and re.search(each.said, said)), None
    )
