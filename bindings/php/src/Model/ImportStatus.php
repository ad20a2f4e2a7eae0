<?php

declare(strict_types=1);

namespace SocialChannel\Model;

/**
 * What became of a row of an import.
 */
enum ImportStatus: string
{
    /** Of a dry run: nothing speaks against it. Whether the platform takes it is known only once it is asked. */
    case Ready = 'ready';
    /** A new channel. */
    case Connected = 'connected';
    /** A channel that existed got these credentials. */
    case Updated = 'updated';
    /** This row was imported before, or its account is connected and works. Nothing was sent. */
    case AlreadyConnected = 'already_connected';
    /** Connected, but it is another account than the row says. */
    case OtherAccount = 'other_account';
    /** The platform does not take it: the person must connect the account. */
    case Dead = 'dead';
    /** The row itself is wrong. Nothing was sent. */
    case Refused = 'refused';
    /** The platform could not be asked, or did not answer. Import the row again. */
    case NotDone = 'not_done';

    /** The account of the row is connected as it should be, or would be tried. */
    public function isGood(): bool
    {
        return in_array($this, [self::Ready, self::Connected, self::Updated, self::AlreadyConnected], true);
    }
}
