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
        /** What was called, or what else moved the job. */
        public string $call,
        /** What the job was doing. */
        public string $phase,
        /** How the job stands since, or the kind of the error. */
        public string $result,
        /** One sentence, where there is an error. */
        public ?string $message,
        /** The platform's own code. */
        public ?string $code,
        /** The platform's reference for its support. */
        public ?string $traceId,
    ) {
    }
}
