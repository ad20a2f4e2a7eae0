<?php

declare(strict_types=1);

namespace SocialChannel\Exception;

/**
 * Let the operator fix the settings.
 */
final class MisconfiguredException extends CallException
{
}
