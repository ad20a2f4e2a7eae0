"""Social networks as WebAssembly providers: connect, profile, stats, list, publish. See README.md."""

from ._library import new_key
from .aio import AsyncHost, AsyncTenant
from .documents import AppConfig, JobChange, JobStatus, Media, Post, PublishRequest
from .errors import SocialChannelError
from .host import FOREVER, Host, Tenant
from .log import forward_log, log_level

__version__ = "0.1.0"
__all__ = [
    "FOREVER",
    "AppConfig",
    "AsyncHost",
    "AsyncTenant",
    "Host",
    "JobChange",
    "JobStatus",
    "Media",
    "Post",
    "PublishRequest",
    "SocialChannelError",
    "Tenant",
    "forward_log",
    "log_level",
    "new_key",
]
