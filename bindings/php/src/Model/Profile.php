<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * An account's profile.
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
        /** The account's own description. */
        public ?string $bio,
        /** Its page. */
        public ?string $url,
        /** May stop working after some hours. */
        public ?string $avatarUrl,
        /** Whether it has a verification badge. */
        public ?bool $verified,
        /** @var array<string, mixed> What else the provider tells, by names that networks share. */
        public array $details = [],
    ) {
    }
}
