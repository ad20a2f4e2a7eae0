<?php

declare(strict_types=1);

namespace SocialChannel\Model;

/**
 * What is known of a call with effects that failed.
 */
enum Outcome: string
{
    /** It changed nothing. */
    case NotDone = 'not_done';
    /** It may have had its effect: look before trying again. */
    case Unknown = 'unknown';
}
