"""What a model folder's JSON files say, as frozen dataclasses; what gtenp can't do is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gtenp.errors import ModelFileError

if TYPE_CHECKING:
    from pathlib import Path


def read_json(path: Path) -> Any:
    """The value that a UTF-8 JSON file holds; ModelFileError where it is missing or isn't JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileError(path, f"can't be read ({error.strerror}); copy it anew") from error
    except UnicodeDecodeError as error:
        raise ModelFileError(path, f"is not UTF-8 (byte {error.start}); copy it anew") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(path, f"is not JSON ({error}); copy it anew") from error
