<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * Numbers of a post. Null means unknown, never zero.
 */
final readonly class PostStats implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Times seen. */
        public ?int $views,
        /** Likes. */
        public ?int $likes,
        /** Comments. */
        public ?int $comments,
        /** Shares. */
        public ?int $shares,
        /** @var list<Metric> What else the platform counts. */
        #[ListOf(Metric::class)]
        public array $other,
    ) {
    }
}
