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
        /** @var list<PostSummary> The posts; may be fewer than requested. */
        #[ListOf(PostSummary::class)]
        public array $posts,
        /** Null only on the last page. */
        public ?string $nextCursor,
    ) {
    }
}
