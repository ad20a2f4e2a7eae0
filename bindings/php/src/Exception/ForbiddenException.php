<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Ask the person for one more permission; `field` names it.
 */
final class ForbiddenException extends CallException
{
}
