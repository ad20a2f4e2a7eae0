<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * Statistics of a post. Null means unknown, never zero.
 */
final readonly class PostStats implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Times seen. */
        public ?int $views,
        /** Likes. */
        public ?int $likes,
        /** Replies, or comments. */
        public ?int $replies,
        /** Reposts, or shares. */
        public ?int $reposts,
        /** @var list<Metric> Other numbers of the platform. */
        #[ListOf(Metric::class)]
        public array $other,
    ) {
    }
}
