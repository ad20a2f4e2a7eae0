<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Wait for a new day or a raised allowance.
 */
final class QuotaExceededException extends CallException
{
}
