<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Read the message: the provider gave no more specific kind.
 */
final class ProviderException extends CallException
{
}
