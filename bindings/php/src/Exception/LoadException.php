<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * The file is not a provider, or was built for another version of the contract.
 */
final class LoadException extends CallException
{
}
