<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

use SocialChannel\Model\Error;

/**
 * Everything this package throws.
 *
 * `getMessage()` is one plain sentence; `error()` holds what a program branches on and what a person can do.
 */
interface SocialChannelException extends \Throwable
{
    public function error(): Error;
}
