<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Raise a limit or shrink the work.
 */
final class LimitExceededException extends CallException
{
}
