<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Wait, then retry.
 */
final class RateLimitedException extends CallException
{
}
