<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * The person declined, or the platform did not let this person connect.
 */
final class AuthorizationDeniedException extends CallException
{
}
