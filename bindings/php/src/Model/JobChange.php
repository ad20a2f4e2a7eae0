<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What to change of a job that has sent nothing yet. Null: stays as it is.
 */
final readonly class JobChange implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The post, chosen anew. */
        public ?Post $post = null,
        /** Not before this instant; seconds since 1970. */
        public ?int $publishAt = null,
        /** Given up after this instant; seconds since 1970. */
        public ?int $deadlineAt = null,
        /** -100 to 100. */
        public ?int $priority = null,
        /** @var array<string, string>|null What the person agreed to. */
        public ?array $consent = null,
    ) {
    }
}
