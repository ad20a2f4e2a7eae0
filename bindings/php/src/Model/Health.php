<?php

declare(strict_types=1);

namespace SocialChannel\Model;

/**
 * What an account can do at present.
 */
enum Health: string
{
    /** All asked-for permissions are there. */
    case Active = 'active';
    /** Some permissions were not granted; see `missingScopes`. */
    case Limited = 'limited';
    /** The person must connect it again. */
    case NeedsReconnect = 'needs_reconnect';
}
