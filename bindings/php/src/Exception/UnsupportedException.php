<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Use another provider.
 */
final class UnsupportedException extends CallException
{
}
