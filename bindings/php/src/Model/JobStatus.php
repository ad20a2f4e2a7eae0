<?php

declare(strict_types=1);

namespace SocialChannel\Model;

/**
 * The status of a publish job.
 */
enum JobStatus: string
{
    /** Running, or waiting for its time. */
    case Active = 'active';
    /** Waits for a person; `error` says why. */
    case Paused = 'paused';
    /** The post was published. */
    case Published = 'published';
    /** Nothing was posted. */
    case Failed = 'failed';
    /** Whether it was posted is not known; `error` says where to look. */
    case Unknown = 'unknown';
    /** Ended on request; nothing was posted. */
    case Cancelled = 'cancelled';

    /** No further call follows, except for a published job that waits to learn its post's id. */
    public function hasEnded(): bool
    {
        return $this !== self::Active && $this !== self::Paused;
    }
}
