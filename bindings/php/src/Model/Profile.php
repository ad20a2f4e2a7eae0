<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * Who an account is.
 */
final readonly class Profile implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The platform's stable id. */
        public string $id,
        /** The handle, without `@`. */
        public ?string $username,
        /** The shown name; may change. */
        public string $displayName,
        /** What it says of itself. */
        public ?string $bio,
        /** Its page. */
        public ?string $url,
        /** May stop working after some hours. */
        public ?string $avatarUrl,
        /** Has a badge. */
        public ?bool $verified,
    ) {
    }
}
