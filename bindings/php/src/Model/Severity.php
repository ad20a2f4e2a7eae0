<?php

declare(strict_types=1);

namespace SocialChannel\Model;

/**
 * How serious a finding is.
 */
enum Severity: string
{
    /** Checked, no problem. */
    case Ok = 'ok';
    /** Information. */
    case Info = 'info';
    /** Works, but may not be intended. */
    case Warning = 'warning';
    /** Will not work. */
    case Error = 'error';
}
