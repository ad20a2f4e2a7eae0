<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * The result of a round of work.
 */
final readonly class Worked implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The number of times that a job was worked on. */
        public int $jobs,
        /** Idle accounts that were refreshed. */
        public int $accounts,
        /** Whether it returned early because a handler of `pcntl_signal()` had to run. Started work continues. */
        public bool $interrupted,
    ) {
    }
}
