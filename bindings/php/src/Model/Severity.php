<?php

declare(strict_types=1);

namespace SocialChannel\Model;

/**
 * How serious a finding is.
 */
enum Severity: string
{
    /** Checked, and good. */
    case Ok = 'ok';
    /** Good to know. */
    case Info = 'info';
    /** Works, and may not be what was meant. */
    case Warning = 'warning';
    /** Will not work. */
    case Error = 'error';
}
