<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Fix the request: a value is missing, too long, not offered or of the wrong form.
 */
final class InvalidRequestException extends CallException
{
}
