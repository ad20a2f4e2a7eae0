<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Replace the provider: it trapped or broke the contract.
 */
final class ProviderFaultException extends CallException
{
}
