<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Read the message: the provider has no better word for it.
 */
final class ProviderException extends CallException
{
}
