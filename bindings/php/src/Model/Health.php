<?php

declare(strict_types=1);

namespace SocialChannel\Model;

/**
 * What an account can currently do.
 */
enum Health: string
{
    /** All requested permissions were granted. */
    case Active = 'active';
    /** Some permissions were not granted; see `missingScopes`. */
    case Limited = 'limited';
    /** The person must connect it again. */
    case NeedsReconnect = 'needs_reconnect';
}
