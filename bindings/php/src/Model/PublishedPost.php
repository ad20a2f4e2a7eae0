<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * One of the posts that a publish made.
 */
final readonly class PublishedPost implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Null while the platform has not made it public or does not report it. */
        public ?string $id,
        /** Its page. */
        public ?string $url,
        /** `post`, `part` (of a thread), `comment`, or the platform's own term. */
        public string $role,
        /** `public`, `processing`, `in-review`, `scheduled`, `refused`, `removed`, or the platform's own term. */
        public string $state,
        /** Seconds since 1970. */
        public ?int $publicAt,
        /** @var array<string, mixed> What else the provider tells, by names that networks share. */
        public array $details = [],
    ) {
    }
}
