<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Ask the operator for the grant.
 */
final class DeniedByPolicyException extends CallException
{
}
