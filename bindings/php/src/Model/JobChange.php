<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * Changes to a job that has sent nothing yet. Null: unchanged.
 */
final readonly class JobChange implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The new post. */
        public ?Post $post = null,
        /** Not before this instant; seconds since 1970. */
        public ?int $publishAt = null,
        /** The job fails if it has not ended at this instant; seconds since 1970. */
        public ?int $deadlineAt = null,
        /** -100 to 100. */
        public ?int $priority = null,
        /** @var array<string, string>|null What the person agreed to. */
        public ?array $consent = null,
    ) {
    }
}
