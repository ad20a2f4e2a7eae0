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
        /** The post is there. False: the person looked, and it is not. */
        public bool $posted,
        /** The platform's id of the post, if the person knows it. */
        public ?string $postId = null,
        /** The post's page, if the person knows it. */
        public ?string $url = null,
    ) {
    }
}
