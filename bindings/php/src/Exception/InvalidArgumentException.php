<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Fix the call.
 */
final class InvalidArgumentException extends CallException
{
}
