<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What a person found after a job ended `unknown`.
 */
final readonly class Resolution implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** True if the post exists; false if the person checked and it does not. */
        public bool $posted,
        /** The platform's id of the post, if the person knows it. */
        public ?string $postId = null,
        /** The post's page, if the person knows it. */
        public ?string $url = null,
    ) {
    }
}
