<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Look elsewhere.
 */
final class NotFoundException extends CallException
{
}
