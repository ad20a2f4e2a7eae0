<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Retry with growing pauses.
 */
final class UnavailableException extends CallException
{
}
