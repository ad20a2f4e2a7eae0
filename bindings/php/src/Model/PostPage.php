<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * One page of posts, newest first.
 */
final readonly class PostPage implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** @var list<PostSummary> May be fewer than asked for. */
        #[ListOf(PostSummary::class)]
        public array $posts,
        /** Null on the last page, and only there. */
        public ?string $nextCursor,
    ) {
    }
}
