<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What a round of work came to.
 */
final readonly class Worked implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Times a job was taken up. */
        public int $jobs,
        /** Idle accounts that were refreshed. */
        public int $accounts,
    ) {
    }
}
