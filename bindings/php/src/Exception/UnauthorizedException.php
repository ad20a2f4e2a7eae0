<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Connect the account again.
 */
final class UnauthorizedException extends CallException
{
}
