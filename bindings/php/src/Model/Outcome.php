<?php

declare(strict_types=1);

namespace SocialChannel\Model;

/**
 * What is known about the effect of a failed call.
 */
enum Outcome: string
{
    /** It changed nothing. */
    case NotDone = 'not_done';
    /** It may have had its effect: check before trying again. */
    case Unknown = 'unknown';
}
