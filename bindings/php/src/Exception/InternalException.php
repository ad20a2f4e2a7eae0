<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Report a bug.
 */
final class InternalException extends CallException
{
}
