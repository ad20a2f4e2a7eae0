<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

use SocialChannel\Model\Error;

/**
 * Everything this package throws.
 *
 * `getMessage()` is one plain sentence; `error()` has the kind for the program and the remedy for the person.
 */
interface SocialChannelException extends \Throwable
{
    public function error(): Error;
}
