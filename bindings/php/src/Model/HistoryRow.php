<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * One attempt of a job.
 */
final readonly class HistoryRow implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Milliseconds since 1970. */
        public int $atMs,
        /** What was called, or another cause of a change. */
        public string $call,
        /** What the job was doing. */
        public string $phase,
        /** The job's status after the attempt, or the kind of the error. */
        public string $result,
        /** The error's message, if there is an error. */
        public ?string $message,
        /** The platform's own code. */
        public ?string $code,
        /** The platform's reference for its support. */
        public ?string $traceId,
    ) {
    }
}
