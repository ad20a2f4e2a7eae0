<?php

declare(strict_types=1);

namespace SocialChannel;

/**
 * The two transports to the library. The classes behave the same with both.
 */
enum TransportKind: string
{
    /** The C library in this process, by PHP's FFI. */
    case Ffi = 'ffi';
    /** `social-channel serve`, over a Unix socket or TCP. */
    case Http = 'http';
}
