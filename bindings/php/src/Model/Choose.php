<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * A consent returned several accounts: the person picks one.
 */
final readonly class Choose implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Pass this back with the chosen account. */
        public string $choice,
        /** @var list<Candidate> The accounts to choose from. */
        #[ListOf(Candidate::class)]
        public array $candidates,
    ) {
    }
}
