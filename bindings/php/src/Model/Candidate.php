<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * One of several accounts.
 */
final readonly class Candidate implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The platform's stable id. */
        public string $accountId,
        /** The name to display. */
        public string $displayName,
        /** May stop working after some hours. */
        public ?string $avatarUrl,
    ) {
    }
}
