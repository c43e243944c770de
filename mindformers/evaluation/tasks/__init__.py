"""The tasks that can be evaluated. A new one: a module here that registers a `Task`, imported below."""

from mindformers.evaluation.tasks import caption, chemllmbench, molgen, structured
from mindformers.evaluation.tasks.task import Part, Task, get_task, register_task, task_names

__all__ = ["Part", "Task", "caption", "chemllmbench", "get_task", "molgen", "register_task", "structured", "task_names"]
