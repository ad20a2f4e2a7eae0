<?php

declare(strict_types=1);

namespace SocialChannel\Model;

/**
 * Where a publish job stands.
 */
enum JobStatus: string
{
    /** Going on, or waiting for its time. */
    case Active = 'active';
    /** Waits for a person; `error` says for what. */
    case Paused = 'paused';
    /** It is out. */
    case Published = 'published';
    /** Nothing was posted. */
    case Failed = 'failed';
    /** Whether it was posted is not known; `error` says where to look. */
    case Unknown = 'unknown';
    /** Ended on request; nothing was posted. */
    case Cancelled = 'cancelled';

    /** No call will follow, but for a published job that waits to learn its id. */
    public function hasEnded(): bool
    {
        return $this !== self::Active && $this !== self::Paused;
    }
}
