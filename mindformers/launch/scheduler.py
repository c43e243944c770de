"""The process at which ranks find each other where no rank table tells them: MindSpore's scheduler."""

from __future__ import annotations

if __name__ == "__main__":
    from mindspore.communication import init

    init()
