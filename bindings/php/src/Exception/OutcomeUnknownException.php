<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Find out what happened; never retry blindly.
 */
final class OutcomeUnknownException extends CallException
{
}
